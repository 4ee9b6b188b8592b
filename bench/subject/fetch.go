package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/bacvault/bacvault/internal/vault"
)

// fetch brings a blob back as a restore does: its size is known.
func fetch(ctx context.Context, path, containerURL, name string, stdout io.Writer) (err error) {
	cred, err := identity()
	if err != nil {
		return err
	}
	v, err := vault.New(vault.Config{ContainerURL: containerURL, Credential: cred})
	if err != nil {
		return err
	}
	stored, found, err := v.Head(ctx, name)
	if err != nil || !found {
		return errors.Join(fmt.Errorf("found %t", found), err)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum, err := v.Fetch(ctx, name, f, stored.Blob.Size, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "sha256 %s\n", sum)
	return nil
}

// download is what a Go program does without us.
func download(ctx context.Context, path, containerURL, name string) (err error) {
	cred, err := identity()
	if err != nil {
		return err
	}
	client, err := blob.NewClient(containerURL+"/"+name, cred, nil)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = client.DownloadFile(ctx, f, &blob.DownloadFileOptions{BlockSize: 8 << 20, Concurrency: 4})
	return err
}
