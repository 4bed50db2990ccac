package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConversationCache: a conversation leaves its first prompt's cache behind, and the next one begins with it.
func TestConversationCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache.qvk")
	flags := []string{"--think", "off", "--system", "Be kind to everybody who asks.", "--stats", "--prompt-cache", file}
	seen, status := talkWith(t, flags, "What is 17 + 25?", "Who are you?")
	if status != statusDone || !strings.Contains(seen, "17+25=42") {
		t.Fatalf("exit status %d, seen:\n%s", status, seen)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen, status = talkWith(t, flags, "What is 17 + 25?")
	if status != statusDone || !strings.Contains(seen, "17+25=42") {
		t.Errorf("exit status %d, seen:\n%s", status, seen)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the file was written again (%v)", err)
	}
	if err := os.WriteFile(file, before[:len(before)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	seen, status = talkWith(t, flags, "What is 17 + 25?")
	if status != statusDone || !strings.Contains(seen, "17+25=42") {
		t.Errorf("with a damaged file: exit status %d, seen:\n%s", status, seen)
	}
	if after, err := os.ReadFile(file); err != nil || len(after) != len(before) {
		t.Errorf("a damaged file was left as it is: %d bytes, want %d (%v)", len(after), len(before), err)
	}
}

// TestConversationShift: with --context-shift a conversation goes on where it would have ended, and says so.
func TestConversationShift(t *testing.T) {
	questions := []string{"What is a token?", "What is 1 + 1?", "What is a token?", "What is 17 + 25?"}
	seen, status := talkWith(t, []string{"--think", "off", "--ctx", "96", "--context-shift"}, questions...)
	if status != statusDone || !strings.Contains(seen, "(the context of 96 tokens was full: the oldest messages are no longer in it)") ||
		!strings.Contains(seen, "17+25=42") {
		t.Errorf("exit status %d, seen:\n%s", status, seen)
	}
	if seen, _ = talkWith(t, []string{"--think", "off", "--ctx", "96"}, questions...); strings.Contains(seen, "17+25=42") {
		t.Errorf("without it the conversation went on:\n%s", seen)
	}
}
