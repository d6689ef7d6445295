// Stores what kptool loads or has loaded.
// parameters: revision, state, mode, source
// columns: none
MERGE (m:KptoolGraph {name: 'kg'})
SET m.source = 'kptool', m.revision = $revision, m.state = $state, m.mode = $mode, m.load = $source
