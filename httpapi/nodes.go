package httpapi

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Node is one jsruntime process.
type Node struct {
	ID          uuid.UUID       `json:"id" format:"uuid"`
	Hostname    string          `json:"hostname"`
	Version     string          `json:"version"`
	Alive       bool            `json:"alive" doc:"It was heard of within 15 seconds."`
	Draining    bool            `json:"draining"`
	Load        json.RawMessage `json:"load"`
	StartedAt   time.Time       `json:"started_at"`
	HeartbeatAt time.Time       `json:"heartbeat_at"`
}

// maxNodes bounds the answer; nodes that are gone are pruned by the others.
const maxNodes = 200

func (a *API) nodeList(ctx context.Context, _ *none) (*found[Page[Node]], error) {
	rows, err := a.queries.NodeList(ctx, maxNodes)
	if err != nil {
		return nil, err
	}
	out := &found[Page[Node]]{Page[Node]{Items: []Node{}}}
	for _, n := range rows {
		out.Body.Items = append(out.Body.Items, Node{
			ID: n.ID, Hostname: n.Hostname, Version: n.Version, Alive: n.Alive, Draining: n.Draining, Load: rawOrNull(n.Load),
			StartedAt: utc(n.StartedAt), HeartbeatAt: utc(n.HeartbeatAt),
		})
	}
	return out, nil
}
