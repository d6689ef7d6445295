// The node in which kptool notes what it loaded; no row when it loaded nothing.
// parameters: none
// columns: revision, state, mode, source
MATCH (m:KptoolGraph)
RETURN m.revision AS revision, m.state AS state, m.mode AS mode, m.load AS source
