"""The way in for people at a terminal and for scripts: `counterfoil <noun> <verb>`, data to stdout, words to stderr, --json everywhere."""
