package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/bacvault/bacvault/internal/vault"
)

// clientID is the identity that the bench's endpoint knows.
const clientID = "b0000000-0000-4000-8000-00000000be4c"

// store stages and commits as a backup does. to is a container's URL and a blob, or the width of the wire to a sink.
func store(ctx context.Context, in input, to []string, stdout io.Writer) error {
	cfg, name := vault.Config{ContainerURL: to[0]}, "sink.bacpac"
	if len(to) == 2 {
		name = to[1]
		cred, err := identity()
		if err != nil {
			return err
		}
		cfg.Credential = cred
	} else {
		width, err := strconv.Atoi(to[0])
		if err != nil {
			return fmt.Errorf("width of the wire: %w", err)
		}
		cfg = vault.Config{ContainerURL: "https://sink.invalid/account/container", Credential: token{}, Transport: newSink(width)}
	}
	v, err := vault.New(cfg)
	if err != nil {
		return err
	}
	staged, err := v.Stage(ctx, name, in, in.size, nil)
	if err != nil {
		return err
	}
	stored, err := v.Commit(ctx, staged, nil, "")
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "sha256 %s\n", stored.Blob.SHA256)
	return nil
}

// upload is what a Go program does without us.
func upload(ctx context.Context, in input, containerURL, name string) error {
	cred, err := identity()
	if err != nil {
		return err
	}
	client, err := blockblob.NewClient(containerURL+"/"+name, cred, nil)
	if err != nil {
		return err
	}
	_, err = client.UploadFile(ctx, in.File, &blockblob.UploadFileOptions{BlockSize: 8 << 20, Concurrency: 4})
	return err
}

func hash(in input, stdout io.Writer) error {
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, io.NewSectionReader(in, 0, in.size), make([]byte, 1<<20)); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "sha256 %x\n", sum.Sum(nil))
	return nil
}

// identity is the product's credential.
func identity() (azcore.TokenCredential, error) {
	return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: azidentity.ClientID(clientID)})
}

// token is for the sink, which looks at no token.
type token struct{}

func (token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "sink", ExpiresOn: time.Now().Add(time.Hour)}, nil
}
