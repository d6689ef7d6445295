// The node in which kptool stores what it loaded; no row if it loaded nothing.
// parameters: none
// columns: revision, state, mode, source
MATCH (m:KptoolGraph)
RETURN m.revision AS revision, m.state AS state, m.mode AS mode, m.load AS source
