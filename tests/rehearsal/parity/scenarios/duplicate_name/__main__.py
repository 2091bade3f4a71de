from pulumi import ResourceOptions
from testing_package import Thing

first = Thing("first", size=1)
Thing("first", ResourceOptions(depends_on=[first]), size=1)
