package cluster

// Load is what a node does at the moment: JSON in its row in the database, from where the API of any node shows it.
type Load struct {
	Running     int            `json:"running"`     // queued executions that run
	Concurrency int            `json:"concurrency"` // the most of them at one time
	Engine      EngineInfo     `json:"engine"`
	Workers     WorkersLoad    `json:"workers"`
	Executions  ExecutionsLoad `json:"executions"`
	History     HistoryLoad    `json:"history"`
	SecretKeys  []string       `json:"secret_keys"` // names of the secret keys that the node has (keyring.Ring.IDs); the first encrypts
}

// EngineInfo is what a node's workers run scripts with.
type EngineInfo struct {
	V8Version     string `json:"v8_version"`
	JIT           string `json:"jit"`
	ICUVersion    string `json:"icu_version"`
	TZDataVersion string `json:"tzdata_version"`
}

// WorkersLoad counts a node's worker processes by state, and what is in them.
type WorkersLoad struct {
	Starting int `json:"starting"`
	Spare    int `json:"spare"`
	Idle     int `json:"idle"`
	Busy     int `json:"busy"`
	Parked   int `json:"parked"`
	Isolates int `json:"isolates"`
	Tenants  int `json:"tenants"`
}

// ExecutionsLoad counts the executions that a node has accepted, for requests and from the queue, and that have not ended.
type ExecutionsLoad struct {
	Running int `json:"running"`
	Queued  int `json:"queued"` // of these, for a worker
}

// HistoryLoad is what a node has still to write down.
type HistoryLoad struct {
	BacklogRows  int64 `json:"backlog_rows"`
	BacklogBytes int64 `json:"backlog_bytes"`
}
