-- vec0_search.sql - nearest neighbours by sqlite-vec (pip install sqlite-vec), vectors by Sutra. A long document is
-- cut into chunks, and each chunk has a vector.
--
-- sqlite3 chunks.db -cmd '.load build/release/sutra0' -cmd '.load VEC0' < examples/sqlite/vec0_search.sql
--
-- VEC0: what python3 -c 'import sqlite_vec; print(sqlite_vec.loadable_path())' prints.

CREATE TABLE documents(id INTEGER PRIMARY KEY, title TEXT, body TEXT);
INSERT INTO documents(title, body) VALUES
    ('Keeping bees', 'Bees gather nectar from spring to autumn. In winter they live on the honey that they stored. A '
     || 'keeper who takes honey leaves enough of it, or feeds sugar. Swarms leave the hive in May, when it is full.'),
    ('Sourdough', 'A starter is flour and water that ferments. Feed it each day. Dough that rose overnight bakes in a '
     || 'hot oven for forty minutes. Let the loaf cool before it is cut.');

CREATE TABLE chunks(id INTEGER PRIMARY KEY, document INTEGER REFERENCES documents, body TEXT);
INSERT INTO chunks(document, body)
SELECT documents.id, part.chunk
FROM documents, sutra_chunks(documents.body, 'all-MiniLM-L6-v2', 24, 0, 'sentences') AS part;

CREATE VIRTUAL TABLE vectors USING vec0(id INTEGER PRIMARY KEY, vector float[384] distance_metric=cosine);
INSERT INTO vectors(id, vector) SELECT id, vector FROM sutra_embed_rows('SELECT id, body FROM chunks');

SELECT round(found.distance, 3) AS distance, documents.title, chunks.body
FROM (SELECT id, distance FROM vectors
      WHERE vector MATCH sutra_embed('what do bees eat in the cold season') AND k = 3) AS found
JOIN chunks USING (id) JOIN documents ON documents.id = chunks.document
ORDER BY found.distance;
