"""Our language: money, ids, text, and what records, events and commands are, independent of any vendor."""
