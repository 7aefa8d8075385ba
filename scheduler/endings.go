package scheduler

import "sync"

const (
	// endingsPerSlot is how many endings may wait to be written, for each execution that may run.
	endingsPerSlot = 16
	// endingsBytes bounds the outputs and logs of endings that wait to be written.
	endingsBytes = 64 << 20
	// endingWriters is how many transactions write endings at one time: the second one fills the time that the first one spends in
	// round trips and its commit.
	endingWriters = 2
	// finishBatch is how many endings one transaction writes. While one is written the next ones gather, so that a batch is as large
	// as the load makes it, and a single ending waits for nothing.
	finishBatch = 512
	// secondBatch is how many endings must wait for a second transaction to begin beside the first. Two writers that share what there is write
	// batches half as large, each for a price of its own, and wait for one another's rows of usage: ten thousand ticks took 1.2 times the CPU.
	secondBatch = finishBatch / 2
)

// endings are the endings that wait to be written. begin makes it ready.
type endings struct {
	mu      sync.Mutex
	changed *sync.Cond // list, writers or closed
	list    []*ending
	writers int  // that write a batch now
	closed  bool // nothing is added any more
	bytes   int  // of list and of what is being written
}

func (q *endings) begin() { q.changed = sync.NewCond(&q.mu) }

// add adds an ending. It does not wait: claims stop where too much has to be written (Scheduler.room).
func (q *endings) add(e *ending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list = append(q.list, e)
	q.bytes += e.bytes()
	q.changed.Signal()
}

// take waits for endings and returns a batch, or nil once the list is closed and empty. wrote follows it.
func (q *endings) take() []*ending {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.list) == 0 || q.writers > 0 && len(q.list) < secondBatch {
		if q.closed && len(q.list) == 0 {
			return nil
		}
		q.changed.Wait()
	}
	n := min(len(q.list), finishBatch)
	batch := q.list[:n:n]
	q.list = q.list[n:]
	q.writers++
	return batch
}

// wrote ends a batch that take returned.
func (q *endings) wrote(batch []*ending) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writers--
	for _, e := range batch {
		q.bytes -= e.bytes()
	}
	q.changed.Broadcast()
}

// close says that nothing is added any more.
func (q *endings) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// full says whether what waits takes as much memory as it may.
func (q *endings) full() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes >= endingsBytes
}

// bytes is what an ending keeps in memory of what the script made.
func (e *ending) bytes() int {
	if e.held.size == 0 && e.result != nil {
		e.held.size = len(e.result.Output)
		for i := range e.result.Logs {
			e.held.size += len(e.result.Logs[i].Message)
		}
	}
	return e.held.size
}
