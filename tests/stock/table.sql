.bail on
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, tag BLOB);
CREATE INDEX by_name ON item (name);
BEGIN;
WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)
  INSERT INTO item SELECT x, printf('item %04d', (x * 7919) % 5000), x * 1.5, zeroblob(x % 50) FROM n;
COMMIT;
PRAGMA journal_mode;
SELECT count(*), min(name), max(name), sum(price), sum(length(tag)) FROM item;
BEGIN; DELETE FROM item WHERE id % 2; SELECT count(*) FROM item; ROLLBACK; SELECT count(*) FROM item;
SAVEPOINT a; UPDATE item SET price = 0; ROLLBACK TO a; RELEASE a; SELECT total(price) FROM item;
SELECT name, price FROM item WHERE name BETWEEN 'item 0100' AND 'item 0105' ORDER BY name;
CREATE VIEW cheap AS SELECT * FROM item WHERE price < 10;
SELECT group_concat(id || ':' || name, ', ') FROM cheap;
CREATE TRIGGER keep AFTER DELETE ON item BEGIN INSERT INTO item VALUES (old.id + 10000, old.name, old.price, NULL); END;
DELETE FROM item WHERE id <= 3;
SELECT id, name FROM item WHERE id > 10000;
SELECT json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'), length(randomblob(9)), quote(x'00ff'), round(2.5), 7 / 2, 7 % 3;
SELECT date('2020-02-28', '+2 days'), strftime('%s', '2020-01-01'), julianday('2000-01-01');
PRAGMA journal_mode = truncate; UPDATE item SET price = price + 1;
PRAGMA journal_mode = persist; UPDATE item SET price = price + 1;
PRAGMA journal_mode = memory; UPDATE item SET price = price + 1;
PRAGMA journal_mode = delete; UPDATE item SET price = price + 1;
PRAGMA synchronous = full; DELETE FROM item WHERE id > 4000; VACUUM;
PRAGMA integrity_check; PRAGMA page_count; PRAGMA freelist_count;
ATTACH ':memory:' AS other; CREATE TABLE other.copy AS SELECT id, name FROM item; SELECT count(*) FROM other.copy;
EXPLAIN QUERY PLAN SELECT * FROM item WHERE name = 'item 0007';
.mode csv
.headers on
SELECT id, name, typeof(tag) FROM item ORDER BY name LIMIT 3;
.schema item
.mode insert item
SELECT * FROM item WHERE id = 4;
