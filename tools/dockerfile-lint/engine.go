package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// engine is what BuildKit's front end takes for the builder behind it. It reads files of the build context and makes up the
// configuration of every image; it solves nothing and asks no registry.
type engine struct {
	root string
	opts map[string]string
}

var errNoEngine = errors.New("there is no engine here: only files are read")

func (e *engine) BuildOpts() client.BuildOpts {
	amd64 := client.WorkerInfo{Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}}
	return client.BuildOpts{Opts: e.opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(gwpb.Caps.All()), Workers: []client.WorkerInfo{amd64}}
}

// Solve answers the front end's two wishes, the Dockerfile and .dockerignore, with the folder that both lie in.
func (e *engine) Solve(context.Context, client.SolveRequest) (*client.Result, error) {
	r := client.NewResult()
	r.SetRef(folder(e.root))
	return r, nil
}

// ResolveImageConfig gives each image what the images of this Dockerfile have in common with any other for linux/amd64.
func (e *engine) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	_, pinned, ok := strings.Cut(ref, "@")
	if !ok {
		return "", "", nil, errors.New("the image is not named by a digest")
	}
	config, err := json.Marshal(ocispecs.Image{
		Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"},
		Config:   ocispecs.ImageConfig{Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home"}, Cmd: []string{"/bin/sh"}},
		RootFS:   ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("a layer")}},
	})
	return ref, digest.Digest(pinned), config, err
}

func (e *engine) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	ref, dgst, config, err := e.ResolveImageConfig(ctx, strings.TrimPrefix(op.Identifier, "docker-image://"), opt)
	return &sourceresolver.MetaResponse{Op: &pb.SourceOp{Identifier: "docker-image://" + ref}, Image: &sourceresolver.ResolveImageResponse{Digest: dgst, Config: config}}, err
}

func (e *engine) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

func (e *engine) NewContainer(context.Context, client.NewContainerRequest) (client.Container, error) {
	return nil, errNoEngine
}

func (e *engine) Warn(context.Context, digest.Digest, string, client.WarnOpts) error { return nil }

// folder is a solved source: files below it can be read.
type folder string

func (f folder) ReadFile(_ context.Context, req client.ReadRequest) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), req.Filename))
}

func (f folder) StatFile(_ context.Context, req client.StatRequest) (*fstypes.Stat, error) {
	i, err := os.Stat(filepath.Join(string(f), req.Path))
	if err != nil {
		return nil, err
	}
	return &fstypes.Stat{Path: req.Path, Size: i.Size()}, nil
}

func (f folder) ToState() (llb.State, error)    { return llb.State{}, errNoEngine }
func (f folder) Evaluate(context.Context) error { return errNoEngine }
func (f folder) ReadDir(context.Context, client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, errNoEngine
}
