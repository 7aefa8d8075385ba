package catalog

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// Rollout divides a script's executions between its live version and a candidate. The zero value has none.
type Rollout struct {
	Candidate int     // its version; 0: none
	Percent   float64 // of executions that it gets
}

// RolloutOf reads a script's candidate_version and candidate_percent.
func RolloutOf(candidate *int32, percent *float64) Rollout {
	if candidate == nil || percent == nil {
		return Rollout{}
	}
	return Rollout{Candidate: int(*candidate), Percent: *percent}
}

// Choose returns the version of one execution of the script: of the same client always the same, and at random where client is empty. A client
// that has the candidate keeps it when its share grows.
func (r Rollout) Choose(script uuid.UUID, live int, client string) int {
	if r.Candidate == 0 {
		return live
	}
	at := rand.Float64()
	if client != "" {
		// With the version, so that not the same clients meet every candidate first.
		salted := binary.BigEndian.AppendUint64(append([]byte(nil), script[:]...), uint64(r.Candidate))
		sum := sha256.Sum256(append(salted, client...))
		at = float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
	}
	if at*100 < r.Percent {
		return r.Candidate
	}
	return live
}
