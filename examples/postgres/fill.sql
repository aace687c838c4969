-- What arrived becomes rows. Braces are what PostgreSQL writes around an array, brackets what pgvector does.
\if :has_pgvector
    INSERT INTO passages SELECT texts.line ->> 'id', texts.line ->> 'body', (vectors.line ->> 'embedding')::vector
    FROM arriving_texts AS texts JOIN arriving_vectors AS vectors ON texts.line ->> 'id' = vectors.line ->> 'id';
    CREATE INDEX ON passages USING hnsw (vector vector_cosine_ops);
\else
    INSERT INTO passages
    SELECT texts.line ->> 'id', texts.line ->> 'body', translate(vectors.line ->> 'embedding', '[]', '{}')::real[]
    FROM arriving_texts AS texts JOIN arriving_vectors AS vectors ON texts.line ->> 'id' = vectors.line ->> 'id';
\endif
ANALYZE passages;
