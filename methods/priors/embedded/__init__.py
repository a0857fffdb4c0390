"""Small networks trained by this project on its own worlds, with the cards that say how."""
