module novacron.example/cluster/pause

go 1.26
