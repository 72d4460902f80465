"""placeholder"""


class Lists:
    @classmethod
    def open_current(cls, store, version):
        return None


def lists_id(store, version):
    return None
