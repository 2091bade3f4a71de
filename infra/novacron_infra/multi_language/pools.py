"""Arguments that the node pools of all clouds share."""

from typing import TypedDict

from typing_extensions import NotRequired

from novacron_infra.catalog import FabricKind
from novacron_infra.pools import Capacity, NodePoolShape, NodeRole, Placement
from novacron_infra.tags import Tags


class PoolShape(TypedDict):
    """Nodes of one machine. Fabric, placement and capacity do not imply each other."""

    machine: str
    """A machine of NovaCron's catalogue, such as p5.48xlarge, a3-megagpu-8g or Standard_ND96isr_H100_v5."""
    nodes: int
    """Nodes at the start."""
    zones: NotRequired[list[str]]
    """Availability zones; exactly one where nodes must be close. Only Azure takes none, and then chooses."""
    minimum_nodes: NotRequired[int]
    """With maximum_nodes: an autoscaler owns the number of nodes. Neither: it stays as it is."""
    maximum_nodes: NotRequired[int]
    """See minimumNodes."""
    fabric: NotRequired[FabricKind]
    """How GPUs of different nodes talk; none: over ordinary networking."""
    placement: NotRequired[Placement]
    """How close to each other the nodes are; none unless stated."""
    capacity: NotRequired[Capacity]
    """How the machines are obtained; on-demand unless stated."""
    on_demand_nodes: NotRequired[int]
    """With spot: this many nodes are on demand, and stay when spot capacity is gone."""
    reservation_id: NotRequired[str]
    """The reservation or capacity block to launch into."""
    reservation_placement_group: NotRequired[str]
    """The placement group that the reservation was made in; on Google Cloud, a block of the reservation."""
    nodes_per_replica: NotRequired[int]
    """Nodes that one replica of the model spans; 1 unless stated."""


def build_node_pool_shape(shape: PoolShape, role: NodeRole) -> NodePoolShape:
    """The shape of a pool for `role`."""
    return NodePoolShape(
        role=role,
        machine=shape["machine"],
        nodes=shape["nodes"],
        zones=tuple(shape.get("zones", ())),
        minimum_nodes=shape.get("minimum_nodes"),
        maximum_nodes=shape.get("maximum_nodes"),
        fabric=shape.get("fabric"),
        placement=shape.get("placement", Placement.NONE),
        capacity=shape.get("capacity", Capacity.ON_DEMAND),
        on_demand_nodes=shape.get("on_demand_nodes"),
        reservation_id=shape.get("reservation_id"),
        reservation_placement_group=shape.get("reservation_placement_group"),
        nodes_per_replica=shape.get("nodes_per_replica", 1),
    )


class TagsArgs(TypedDict):
    """Tags that bills and searches use to find the resources of an environment."""

    environment: str
    """Such as prod."""
    project: NotRequired[str]
    """novacron unless stated."""
    more: NotRequired[dict[str, str]]
    """Further tags, such as an owner or a cost centre."""


def build_tags(args: TagsArgs) -> Tags:
    """The tags as components take them."""
    return Tags(environment=args["environment"], project=args.get("project", "novacron"), more=args.get("more", {}))
