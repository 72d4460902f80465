"""What a request must be beyond its types: whose answer is asked for, and whose bottles are given; every refusal is decided here."""

from __future__ import annotations

from cellar_recommender.serving.contract import MemberAsked, RecommenderRequest
from cellar_shared.service.problems import FieldError, Problem


def require_members(request: RecommenderRequest) -> None:
    """Problem unless the request says whom it is about in exactly one way, and each of several members so too ([] is a history).

    A stored member's bottles are the store's: beside `member_id` a cellar could only contradict them.
    """
    given = sum(told is not None for told in (request.member_id, request.history, request.members))
    if given != 1:
        raise Problem(
            "member-ambiguous",
            "Give member_id for a stored member, history ([] included) for anybody else, or members for several: exactly one of the three.",
            (FieldError("", "member-ambiguous", "needs exactly one of member_id, history and members"),),
        )
    wrong = [
        FieldError(f"/members/{at}", "member-ambiguous", "needs exactly one of member_id and history")
        for at, member in enumerate(request.members or ())
        if not _is_one(member)
    ]
    if wrong:
        raise Problem(
            "member-ambiguous",
            "Give member_id or history ([] included) for each of the members: exactly one of the two.",
            tuple(wrong),
        )
    if request.member_id is not None and request.cellar is not None:
        raise Problem(
            "member-ambiguous",
            "A stored member's bottles are those in the store; leave out cellar, or give history in place of member_id.",
            (FieldError("/cellar", "member-ambiguous", "is not taken beside member_id"),),
        )


def _is_one(member: MemberAsked) -> bool:
    return (member.member_id is None) != (member.history is None)
