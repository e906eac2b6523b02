"""Item Prices become entries of Medusa price lists."""
