"""Training restorers on curated pairs."""
