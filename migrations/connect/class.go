package connect

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Class is what an error of Postgres means to the program.
type Class int

// The classes.
const (
	Other      Class = iota // no error of Postgres, or one that says that a statement of ours is wrong
	Away                    // the server cannot be reached or serves no one at the moment: the same statement may succeed later
	Busy                    // other transactions are in the way: the same statement may succeed at once
	Cancelled               // the statement took too long, or an administrator ended it
	Value                   // a value cannot be stored, now or later
	Check                   // a row breaks a constraint of its own, now or later
	Duplicate               // another row has the same key
	Reference               // the row refers to one that is gone, or others refer to it
	Denied                  // the user may not do it
	Missing                 // a table is gone, or was never there
	Unprepared              // the session does not know the prepared statement: it is another server's, or a pooler's
)

// exact are the states whose class is not that of their first two characters.
var exact = map[string]Class{
	"25006": Away, // read_only_sql_transaction: a standby, or a primary that is one no longer
	"25P03": Away, // idle_in_transaction_session_timeout, after which the connection is closed
	"25P04": Away, // transaction_timeout, the same
	"26000": Unprepared,
	"42501": Denied,
	"42P01": Missing,
	"55P03": Busy, // lock_not_available
	"57014": Cancelled,
	"58000": Away, // system_error
	"58030": Away, // io_error
	"23502": Check,
	"23514": Check,
	"23505": Duplicate,
	"23503": Reference,
}

// byPrefix are the classes of SQLSTATE's own classes.
var byPrefix = map[string]Class{
	"08": Away, // connection exception
	"53": Away, // out of connections, memory or disk
	"57": Away, // operator intervention: stopping, crashed, starting
	"40": Busy, // serialization failure, deadlock; on a standby: a conflict with recovery
	"22": Value,
	"54": Value, // a program limit, such as the depth of JSON
}

// ClassOfState is the class of a SQLSTATE.
func ClassOfState(code string) Class {
	if len(code) != 5 {
		return Other
	}
	if class, ok := exact[code]; ok {
		return class
	}
	return byPrefix[code[:2]]
}

// State is the SQLSTATE of an error that the server has answered; empty: it is another's.
func State(err error) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	return pg.Code
}

// ClassOf is the class of an error of pgx, which may be wrapped.
func ClassOf(err error) Class {
	if state := State(err); state != "" {
		return ClassOfState(state)
	}
	var connect *pgconn.ConnectError
	var network net.Error // context.DeadlineExceeded is one
	if errors.As(err, &connect) || errors.As(err, &network) || Lost(err) {
		return Away
	}
	return Other
}

// Lost reports whether err is of a connection that ended under a statement, or was found dead in the pool.
func Lost(err error) bool {
	for _, lost := range []error{
		pgconn.ErrConnClosed, driver.ErrBadConn, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// Demoted reports whether a SQLSTATE says that this server is no primary, or no server for long: 25006 (read-only) and 57P01 to 57P03
// (stopping, crashed, starting).
func Demoted(code string) bool {
	return code == "25006" || strings.HasPrefix(code, "57P0") && code <= "57P03"
}
