"""Learns drinking windows from what critics and communities stated, and judges what was learnt."""
