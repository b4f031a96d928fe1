"""The rule language: reads and checks what rule engineers write; the values it makes stand in `rules.book`."""
