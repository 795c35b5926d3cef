-- What came of a request and is not in the warehouse yet. The warehouse may be away: rows wait here, in the outcome's own
-- transaction.

CREATE TABLE warehouse_due (
    request_id      uuid PRIMARY KEY REFERENCES outcome
);
INSERT INTO warehouse_due SELECT request_id FROM outcome;

CREATE FUNCTION note_warehouse_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO warehouse_due VALUES (NEW.request_id);
    RETURN NULL;
END;
$$;
CREATE TRIGGER due AFTER INSERT ON outcome FOR EACH ROW EXECUTE FUNCTION note_warehouse_due();
