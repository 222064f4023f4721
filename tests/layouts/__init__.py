"""Made-up releases, each in exactly the layout of its publisher."""
