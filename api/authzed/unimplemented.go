package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
)

// What is not built yet. Each goes with the change that brings the real one.

func notBuilt(method string) error { return refuse(unsupported, nil, "%s is not served", method) }

func (permissions) ReadRelationships(*v1.ReadRelationshipsRequest, grpc.ServerStreamingServer[v1.ReadRelationshipsResponse]) error {
	return notBuilt("ReadRelationships")
}
func (permissions) DeleteRelationships(context.Context, *v1.DeleteRelationshipsRequest) (*v1.DeleteRelationshipsResponse, error) {
	return nil, notBuilt("DeleteRelationships")
}
func (permissions) ImportBulkRelationships(grpc.ClientStreamingServer[v1.ImportBulkRelationshipsRequest, v1.ImportBulkRelationshipsResponse]) error {
	return notBuilt("ImportBulkRelationships")
}
func (permissions) ExportBulkRelationships(*v1.ExportBulkRelationshipsRequest, grpc.ServerStreamingServer[v1.ExportBulkRelationshipsResponse]) error {
	return notBuilt("ExportBulkRelationships")
}
func (schemas) ReadSchema(context.Context, *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	return nil, notBuilt("ReadSchema")
}
func (schemas) WriteSchema(context.Context, *v1.WriteSchemaRequest) (*v1.WriteSchemaResponse, error) {
	return nil, notBuilt("WriteSchema")
}
func (schemas) ReflectSchema(context.Context, *v1.ReflectSchemaRequest) (*v1.ReflectSchemaResponse, error) {
	return nil, notBuilt("ReflectSchema")
}
func (schemas) ComputablePermissions(context.Context, *v1.ComputablePermissionsRequest) (*v1.ComputablePermissionsResponse, error) {
	return nil, notBuilt("ComputablePermissions")
}
func (schemas) DependentRelations(context.Context, *v1.DependentRelationsRequest) (*v1.DependentRelationsResponse, error) {
	return nil, notBuilt("DependentRelations")
}
func (schemas) DiffSchema(context.Context, *v1.DiffSchemaRequest) (*v1.DiffSchemaResponse, error) {
	return nil, notBuilt("DiffSchema")
}
func (experimental) BulkImportRelationships(grpc.ClientStreamingServer[v1.BulkImportRelationshipsRequest, v1.BulkImportRelationshipsResponse]) error {
	return notBuilt("BulkImportRelationships")
}
func (experimental) BulkExportRelationships(*v1.BulkExportRelationshipsRequest, grpc.ServerStreamingServer[v1.BulkExportRelationshipsResponse]) error {
	return notBuilt("BulkExportRelationships")
}
func (experimental) ExperimentalReflectSchema(context.Context, *v1.ExperimentalReflectSchemaRequest) (*v1.ExperimentalReflectSchemaResponse, error) {
	return nil, notBuilt("ExperimentalReflectSchema")
}
func (experimental) ExperimentalComputablePermissions(context.Context, *v1.ExperimentalComputablePermissionsRequest) (*v1.ExperimentalComputablePermissionsResponse, error) {
	return nil, notBuilt("ExperimentalComputablePermissions")
}
func (experimental) ExperimentalDependentRelations(context.Context, *v1.ExperimentalDependentRelationsRequest) (*v1.ExperimentalDependentRelationsResponse, error) {
	return nil, notBuilt("ExperimentalDependentRelations")
}
func (experimental) ExperimentalDiffSchema(context.Context, *v1.ExperimentalDiffSchemaRequest) (*v1.ExperimentalDiffSchemaResponse, error) {
	return nil, notBuilt("ExperimentalDiffSchema")
}
func (experimental) ExperimentalRegisterRelationshipCounter(context.Context, *v1.ExperimentalRegisterRelationshipCounterRequest) (*v1.ExperimentalRegisterRelationshipCounterResponse, error) {
	return nil, notBuilt("ExperimentalRegisterRelationshipCounter")
}
func (experimental) ExperimentalCountRelationships(context.Context, *v1.ExperimentalCountRelationshipsRequest) (*v1.ExperimentalCountRelationshipsResponse, error) {
	return nil, notBuilt("ExperimentalCountRelationships")
}
func (experimental) ExperimentalUnregisterRelationshipCounter(context.Context, *v1.ExperimentalUnregisterRelationshipCounterRequest) (*v1.ExperimentalUnregisterRelationshipCounterResponse, error) {
	return nil, notBuilt("ExperimentalUnregisterRelationshipCounter")
}
