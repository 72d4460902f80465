CREATE VIEW IF NOT EXISTS wines AS
    SELECT sku, title, winery, colour, country, region, grapes, strength, price_cents / 100.0 AS price
    FROM product;

CREATE VIEW IF NOT EXISTS ratings AS
    SELECT review_no, customer_no, sku, bottling, stars, corked, datetime(written_at, 'unixepoch') AS written_at
    FROM review
    WHERE NOT is_withdrawn;
