"""All SQL: event log, objects, bindings, outbox, cases, views. Functions take the open connection and never commit."""
