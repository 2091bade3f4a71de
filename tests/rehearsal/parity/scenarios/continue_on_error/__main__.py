from testing_package import STEP, Thing

bad = Thing("bad", size=STEP)
Thing("after", of=bad.made, size=STEP)
good = Thing("good", size=STEP)
Thing("follows", of=good.made, size=STEP)
if STEP < 4:
    Thing("gone")
