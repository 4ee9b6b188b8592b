package main

import (
	"context"
	"maps"

	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
)

// buildkit is what docker buildx build --check does, with the experimental rules too and with none left out. A "# syntax" line has
// no effect: it would fetch another front end from a registry.
func buildkit(ctx context.Context, root string, args map[string]string) ([]finding, error) {
	opts := map[string]string{"platform": "linux/amd64", "build-arg:BUILDKIT_DOCKERFILE_CHECK": "experimental=all"}
	for name, value := range maps.All(args) {
		opts["build-arg:"+name] = value
	}
	e := &engine{root: root, opts: opts}
	c, err := dockerui.NewClient(e)
	if err != nil {
		return nil, err
	}
	src, err := c.ReadEntrypoint(ctx, "Dockerfile")
	if err != nil {
		return nil, err
	}
	told, err := dockerfile2llb.DockerfileLint(ctx, src.Data, dockerfile2llb.ConvertOpt{Config: c.Config, Client: c, SourceMap: src.SourceMap, MetaResolver: e})
	if err != nil {
		return nil, err
	}
	var out []finding
	for _, w := range told.Warnings {
		out = append(out, finding{first(w.Location), w.RuleName, w.Detail})
	}
	if told.Error != nil {
		out = append(out, finding{first(&told.Error.Location), "NoPlan", told.Error.Message})
	}
	return out, nil
}

func first(l *pb.Location) int {
	if l == nil || len(l.Ranges) == 0 {
		return 0
	}
	return int(l.Ranges[0].Start.Line)
}
