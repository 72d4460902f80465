"""The evening's report: one HTML file that stands alone, its charts inside it; `page` makes it, `write_report` writes it."""
