"""Policy packs: started, asked, and whether each has checked the whole stack."""
