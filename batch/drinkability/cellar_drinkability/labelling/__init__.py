"""Labels that come late: what was found when a bottle was opened, joined to what had been said of it by then."""
