package sqlserver

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bacvault/bacvault/standin/faults"
	"github.com/bacvault/bacvault/standin/sqlserver/tds"
)

// fault counts a call of op and does what is planned for it: "error" with the number in Status, "stall" for Wait (0: until
// the client gives up) and "cut". Words that the caller lists are left to it. Without a fault Do is empty.
func (s *Server) fault(ctx context.Context, op string, own ...string) (faults.Fault, error) {
	f, ok := s.cfg.Faults.Next(op)
	if !ok {
		return f, nil
	}
	s.cfg.Log("fault: %s %s", op, f.Do)
	if slices.Contains(own, f.Do) {
		return f, nil
	}
	switch f.Do {
	case "error":
		return f, s.planned(f.Status)
	case "cut":
		return f, tds.ErrCut
	case "stall":
		return f, stall(ctx, f.Wait)
	}
	return f, fmt.Errorf("does not know how to %q %s", f.Do, op)
}

func stall(ctx context.Context, d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// planned is an error by its number, with the real text where a text is known here.
func (s *Server) planned(number int) *tds.Error {
	switch number {
	case 18456:
		return errLogin(tokenPrincipal)
	case 5030:
		return tds.Errorf(5030, 16, "The database could not be exclusively locked to perform the operation.")
	case 40197, 0:
		return tds.Errorf(40197, 17, "The service has encountered an error processing your request. Please try again. Error code 0.")
	case 40501:
		return tds.Errorf(40501, 16, "The service is currently busy. Retry the request after 10 seconds. Incident ID: {stand-in}. Code: 0")
	case 40613:
		return tds.Errorf(40613, 17, "Database on server '%s' is not currently available. Please retry the connection later.", s.cfg.ServerName)
	}
	return tds.Errorf(int32(number), 16, "Error %d, planned for the SQL Server stand-in.", number)
}

// halfWay sends what there is so far and then cuts the connection or stalls.
func halfWay(ctx context.Context, f faults.Fault, out *tds.Results) error {
	if err := out.Push(); err != nil {
		return err
	}
	if f.Do == "cut" {
		return tds.ErrCut
	}
	return stall(ctx, f.Wait)
}
