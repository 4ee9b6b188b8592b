package bacvault

import (
	"context"
	"time"
)

// Stages runs the stages of one run: it tells each one's start and end, keeps their times, and names the stage in the
// failure.
type Stages struct {
	Now    func() time.Time
	Report Report
	// About is what every report of the run says of it.
	About func() Progress
	// Left adds to the failure of a stage what exists now.
	Left  func(*Failure)
	Times []StageTime // of the stages that ended, in UTC

	began time.Time // the present stage
}

// Work is how far a stage has come, in what it knows of: a line of sqlpackage's, tables, bytes.
type Work struct {
	Note                string
	Tables, TablesTotal int
	Bytes, BytesTotal   int64
}

// Do runs one stage. A context that has ended is not begun with.
func (s *Stages) Do(ctx context.Context, stage Stage, do func(context.Context) error) error {
	if err := context.Cause(ctx); err != nil {
		return s.Failure(ctx, err, stage)
	}
	start := s.now()
	s.began = start
	s.Tell(stage, false, 0, "")
	err := do(ctx)
	end := s.now()
	s.Times = append(s.Times, StageTime{Stage: stage, Start: start, End: end})
	if err != nil {
		f := s.Failure(ctx, err, stage)
		s.Tell(stage, true, end.Sub(start), f.Error())
		return f
	}
	s.Tell(stage, true, end.Sub(start), "")
	return nil
}

// Failure says where it happened and what exists now. A lost lease ends the context: the cause is then the truth, and what
// the stage says only a symptom.
func (s *Stages) Failure(ctx context.Context, err error, stage Stage) *Failure {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	f := AsFailure(err, stage)
	s.Left(f)
	return f
}

// Clean runs what a run throws away at its end, on a context that outlives the run's by at most the limit. Its error is no
// failure of the run.
func (s *Stages) Clean(ctx context.Context, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	start := s.now()
	s.Tell(StageClean, false, 0, "")
	err := do(ctx)
	note := ""
	if err != nil {
		note = err.Error()
	}
	s.Tell(StageClean, true, s.now().Sub(start), note)
	return err
}

// Tell reports where the run stands.
func (s *Stages) Tell(stage Stage, done bool, took time.Duration, note string) {
	p := s.About()
	p.Stage, p.Done, p.Elapsed, p.Note, p.At = stage, done, took, note, s.now()
	s.Report(p)
}

// Working reports how far a stage has come. Of bytes it tells the mean rate since the stage began.
func (s *Stages) Working(stage Stage, w Work) {
	p := s.About()
	p.Stage, p.At, p.Note = stage, s.now(), w.Note
	p.Tables, p.TablesTotal, p.Bytes, p.BytesTotal = w.Tables, w.TablesTotal, w.Bytes, w.BytesTotal
	if took := p.At.Sub(s.began).Seconds(); took > 0 && w.Bytes > 0 {
		p.Rate = float64(w.Bytes) / took
	}
	s.Report(p)
}

// now is in UTC: what a run leaves is read far from here.
func (s *Stages) now() time.Time { return s.Now().UTC() }
