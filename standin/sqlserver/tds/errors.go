package tds

import (
	"errors"
	"fmt"
)

// Error is a message of class 11 and above, as the client sees it.
type Error struct {
	Number       int32
	State, Class byte
	Message      string
}

func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Number, e.Message) }

// Errorf is an Error of state 1.
func Errorf(number int32, class byte, format string, a ...any) *Error {
	return &Error{Number: number, State: 1, Class: class, Message: fmt.Sprintf(format, a...)}
}

// Errors are several ERROR tokens in the order in which they are sent. The driver's Error.Number is the last one.
type Errors []*Error

func (e Errors) Error() string {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i]
	}
	return errors.Join(all...).Error()
}

// ErrCut, returned by a session, ends the connection without a further byte.
var ErrCut = errors.New("connection cut on purpose")

// asErrors makes ERROR tokens of any error. 50000 is the number of user-defined messages, which the server itself never
// sends.
func asErrors(err error) Errors {
	var many Errors
	if errors.As(err, &many) {
		return many
	}
	var one *Error
	if errors.As(err, &one) {
		return Errors{one}
	}
	return Errors{Errorf(50000, 16, "the SQL Server stand-in: %v", err)}
}
