"""Who says what of which thing: claims, links between them, whose word counts, and the record that comes of it. Pure."""
