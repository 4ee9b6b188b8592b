package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
)

// nobodyToAsk is what --yes is for.
const nobodyToAsk = usageError("nobody is there to ask: say --yes")

// ask takes nothing but one word for a yes.
func (c *cli) ask(ctx context.Context, question, word string) error {
	fmt.Fprint(c.stderr, question)
	answer := make(chan string, 1)
	go func() { // ends with the line, or with the process: a read of a terminal can't be cancelled
		line, _ := bufio.NewReader(c.stdin).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case typed := <-answer:
		if typed != word {
			return verdict{exitRefused, fmt.Sprintf("%q is not %q: nothing was changed", typed, word)}
		}
	}
	return nil
}
