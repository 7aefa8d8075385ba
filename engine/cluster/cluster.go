package cluster

import (
	"hash/fnv"
	"sync"

	"github.com/google/uuid"
)

// Members is this node's view of the nodes that take work. The zero value is a node alone. It is safe for concurrent use.
type Members struct {
	mu    sync.RWMutex // guards the fields below
	nodes int          // 0: not read yet
	place int          // of this node among them, from 0 on
}

// Set says how many nodes take work, this one included, and this node's place in the order of their ids.
func (m *Members) Set(nodes, place int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nodes, m.place = nodes, place
}

// Count returns how many nodes take work: at least 1.
func (m *Members) Count() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return max(1, m.nodes)
}

// Share returns this node's part of a limit across nodes, which may be 0. key is the id of the script or tenant that has the limit. It
// is exact: queued executions, which any node may claim, are bounded by it.
func (m *Members) Share(limit int, key uuid.UUID) int {
	m.mu.RLock()
	nodes, place := max(1, m.nodes), m.place
	m.mu.RUnlock()
	if limit <= 0 {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write(key[:])
	rest := limit % nodes
	if int((uint64(hash.Sum32())+uint64(place))%uint64(nodes)) < rest {
		return limit/nodes + 1
	}
	return limit / nodes
}

// Serve is Share, but at least 1 of a limit that is not 0: a request that has reached this node is answered here, also where there are
// more nodes than the limit allows runs. The sum over the nodes exceeds the limit then, and only then.
func (m *Members) Serve(limit int, key uuid.UUID) int {
	if limit <= 0 {
		return 0
	}
	return max(1, m.Share(limit, key))
}
