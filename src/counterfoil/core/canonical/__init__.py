"""Our language: money, ids, entities, events and commands, independent of any vendor."""
