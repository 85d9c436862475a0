"""What goes on beside the stages: waits, targets that are down, changes people make in the books, keys learned again, retention."""
