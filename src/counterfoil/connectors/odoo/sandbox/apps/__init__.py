"""What sits around the books: sale orders, partner merge, automation webhooks, the interfering human."""
