"""What people do in the books to documents the hub posted: compared, named and told. Pure."""
