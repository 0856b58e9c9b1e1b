-- One of everything a SQLite schema can hold, written in many ways.
CREATE TABLE users (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     VARCHAR(20) NOT NULL COLLATE NOCASE, -- a "note"; with signs
    "order"  int DEFAULT -1 CHECK ("order" <> 3 and [order]>-5),
    `key`    TEXT DEFAULT "a ""b"" 'c'" NOT NULL ON CONFLICT REPLACE,
    joined   TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    later    DEFAULT (strftime('%s', 'now') + 1),
    raw      BLOB DEFAULT X'AB01',
    doubled  AS ("order" * 2),
    kept     INTEGER GENERATED ALWAYS AS (length(name) || ',)') STORED,
    "check"  DECIMAL(10, 2) NULL,
    CONSTRAINT one UNIQUE (name COLLATE BINARY, "order" DESC) ON CONFLICT IGNORE
    CONSTRAINT sane CHECK (name NOT LIKE '%(%' /* ) */ AND joined IS NOT NULL)
);
CREATE TABLE "Odd ""Table" ("a b" TEXT, 'c' ANY, [d.e] UUID, PRIMARY KEY ("a b", c)) WITHOUT ROWID;
CREATE TABLE strictly (a INT, b ANY, c TEXT) STRICT;
CREATE TABLE elsewhere (z UNIQUE);
CREATE TABLE rooms (
    owner INTEGER REFERENCES Users ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
    guest REFERENCES users (ID) MATCH FULL ON DELETE NO ACTION NOT DEFERRABLE INITIALLY IMMEDIATE,
    x, y, CHECK (x < y) CHECK (y > 0),
    FOREIGN KEY (x, y) REFERENCES "Odd ""Table" ON DELETE SET DEFAULT,
    FOREIGN KEY (x) REFERENCES elsewhere (z)
);
CREATE TABLE copied AS SELECT id, name AS "Full Name" FROM users;
ALTER TABLE rooms ADD COLUMN note TEXT COLLATE RTRIM CHECK (note <> '');
ALTER TABLE rooms RENAME COLUMN note TO "the note";
CREATE INDEX idx_users_name ON users (name COLLATE BINARY DESC, lower("key"), (id + 1) DESC) WHERE "order" > 0;
CREATE UNIQUE INDEX "idx odd" ON "Odd ""Table" ("d.e");
CREATE VIEW latest AS SELECT u.name AS "Who", max(r.x) AS Most FROM users u JOIN rooms r ON r.owner = u.id GROUP BY u.name;
CREATE VIEW named (one, "Two") AS WITH few AS (SELECT 1 AS a) SELECT a, 'x;y' FROM few;
CREATE TRIGGER after_user AFTER UPDATE OF name, "order" ON users FOR EACH ROW WHEN new.name <> old.name
BEGIN
    UPDATE rooms SET "the note" = CASE WHEN new.id > 1 THEN 'a;b' ELSE "literal" END WHERE owner = new.id;
    SELECT RAISE(ABORT, 'no') WHERE new.name = '';
END;
CREATE TRIGGER to_latest INSTEAD OF DELETE ON latest BEGIN SELECT 1; END;
CREATE VIRTUAL TABLE found USING fts5(title, body, tokenize = "porter ascii");
CREATE VIRTUAL TABLE boxes USING rtree(id, minX, maxX);
INSERT INTO users (name) VALUES ('x');
ANALYZE;
