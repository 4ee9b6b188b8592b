// Package bacvault is the vocabulary: the words that every room uses and what they mean. Standard library only.
package bacvault
