"""Two connectors of vendors that do not exist, which speak no HTTP: a source over a gRPC stream, and a database that is written to."""
