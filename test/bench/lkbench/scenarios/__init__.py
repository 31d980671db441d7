"""The scenarios by name, in the order of a full run."""

from lkbench.scenarios import bulk, counts, http, lane_push, lanes, memory, race, start

SCENARIOS = {
    "B1": http.b1,
    "B1R": http.b1_rate,
    "B2": http.b2,
    "B7": bulk.b7,
    "B8": http.b8,
    "B9": memory.connections,
    "B10": memory.clusters,
    "B11": start.b11,
    "MEM": memory.idle,
    "SYS": counts.syscalls,
    "INS": counts.instructions,
    "LANES": lanes.lanes,
    "PUSH": lane_push.push,
    "RACE": race.race,
}
