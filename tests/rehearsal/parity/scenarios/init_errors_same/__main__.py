from testing_package import Thing

Thing("first", half=True, size=1)
