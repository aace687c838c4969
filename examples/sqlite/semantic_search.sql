-- semantic_search.sql - passages by meaning, in plain SQL.
--
-- sqlite3 passages.db -cmd '.load build/release/sutra0' < examples/sqlite/semantic_search.sql

CREATE TABLE passages(id INTEGER PRIMARY KEY, body TEXT NOT NULL, vector BLOB);
INSERT INTO passages(body) VALUES
    ('A kitten sleeps on the warm windowsill.'),
    ('The central bank raised interest rates by a quarter of a point.'),
    ('Bread rises because yeast turns sugar into carbon dioxide.'),
    ('The lighthouse keeper climbs two hundred steps each night.'),
    ('Mortgages became dearer this spring.'),
    ('Dogs hear higher tones than people do.');

-- In batches: as fast as the engine is. UPDATE passages SET vector = sutra_embed(body) gives the same bytes.
UPDATE passages SET vector = made.vector
FROM sutra_embed_rows('SELECT id, body FROM passages WHERE vector IS NULL') AS made
WHERE made.id = passages.id;

-- From here on a new passage brings its vector along. The trigger names the model, so that no other one's vectors
-- ever come into the column.
CREATE TRIGGER passages_embed AFTER INSERT ON passages WHEN new.vector IS NULL BEGIN
    UPDATE passages SET vector = sutra_embed(new.body, 'all-MiniLM-L6-v2') WHERE id = new.id;
END;
INSERT INTO passages(body) VALUES ('Two puppies play in the garden.');

-- The query is embedded once, and compared with every row.
SELECT id, round(sutra_distance_cosine(vector, sutra_embed('young animals')), 3) AS distance, body
FROM passages ORDER BY distance LIMIT 3;
