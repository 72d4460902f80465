"""Which wine of one catalogue is which of another, by what is known of both and never by their ids."""
