"""Facts: what a source said of an object, and how it is merged into what is known of it."""
