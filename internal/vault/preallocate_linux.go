package vault

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// preallocate gives an empty file its whole room. Too little of it is told without taking any: fallocate takes what there is
// before it gives up, and would fill the disk for everyone else until then.
func preallocate(f *os.File, size int64) error {
	fd := int(f.Fd())
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(fd, &fs); err == nil && uint64(size) > fs.Bavail*uint64(fs.Bsize) {
		return fmt.Errorf("%d bytes are needed, %d are free: %w", size, fs.Bavail*uint64(fs.Bsize), syscall.ENOSPC)
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	for {
		err := syscall.Fallocate(fd, 0, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return f.Truncate(size)
		case err != nil:
			return errors.Join(os.NewSyscallError("fallocate", err), f.Truncate(0))
		}
		return nil
	}
}
