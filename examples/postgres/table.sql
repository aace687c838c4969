-- The table, for vectors of :dim elements: pgvector's type where the server has it, else an array of floats. One of that name
-- that is there already is an error.
SET LOCAL client_min_messages = warning;
DO $$ BEGIN
    IF to_regclass('passages') IS NOT NULL THEN RAISE 'there is a table passages already'; END IF;
END $$;
SELECT count(*) > 0 AS has_pgvector FROM pg_available_extensions WHERE name = 'vector' \gset
\if :has_pgvector
    CREATE EXTENSION IF NOT EXISTS vector;
    CREATE TABLE passages(id text PRIMARY KEY, body text NOT NULL, vector vector(:dim) NOT NULL);
\else
    DROP FUNCTION IF EXISTS cosine_distance(sutra_vector, sutra_vector);
    DROP DOMAIN IF EXISTS sutra_vector;
    CREATE DOMAIN sutra_vector AS real[] CHECK (cardinality(VALUE) = :dim AND array_position(VALUE, NULL) IS NULL);
    CREATE TABLE passages(id text PRIMARY KEY, body text NOT NULL, vector sutra_vector NOT NULL);
    -- 1 - cosine. The domain sees to it that both are of one length.
    CREATE FUNCTION cosine_distance(a sutra_vector, b sutra_vector) RETURNS double precision
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT 1 - sum(x::float8 * y) / sqrt(sum(x::float8 * x) * sum(y::float8 * y)) FROM unnest(a, b) AS pairs(x, y)
    $$;
\endif
CREATE TEMPORARY TABLE arriving_texts(line json) ON COMMIT DROP;
CREATE TEMPORARY TABLE arriving_vectors(line json) ON COMMIT DROP;
